"""Reads pages of an index as pip does. Arguments: a folder that contains pip. Input: JSON list of pages with `body` in
base64, `contentType` and `url`. Output: JSON list with the links of each page."""

import base64
import json
import sys

sys.path.insert(0, sys.argv[1])
from pip._internal.index.collector import IndexContent, parse_links  # noqa: E402


def read(page):
    content = IndexContent(
        base64.b64decode(page["body"]), page["contentType"], None, page["url"], cache_link_parsing=False
    )
    return [
        {
            "filename": link.filename,
            "url": link.url_without_fragment,
            "hash": [link.hash_name, link.hash] if link.hash_name else None,
            "requiresPython": link.requires_python,
            "yanked": link.yanked_reason,
            "metadata": link.metadata_link() is not None,
        }
        for link in parse_links(content)
    ]


json.dump([read(page) for page in json.load(sys.stdin)], sys.stdout)
