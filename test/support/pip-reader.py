"""Reads requirements files with pip's own parser: cases as JSON on standard input, what pip makes of them as JSON on standard output.

A case: {"files": {path: base64}, "env": {name: value}, "path": str}. An answer: {"error": str} or {"files": [path], "lines": [...]}.
"""
import base64, json, os, sys, tempfile

sys.path.insert(0, sys.argv[1])
from pip._internal.req import req_file

OPTIONS = {
    'index_url': 'index-url', 'extra_index_urls': 'extra-index-url', 'no_index': 'no-index', 'find_links': 'find-links',
    'pre': 'pre', 'prefer_binary': 'prefer-binary', 'require_hashes': 'require-hashes', 'trusted_hosts': 'trusted-host',
}


def answer(case, root):
    for path, content in case['files'].items():
        target = os.path.join(root, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, 'wb') as stream:
            stream.write(base64.b64decode(content))
    for name, value in case['env'].items():
        os.environ[name] = value
    files = []
    original = req_file.get_file_content

    def reading(url, session, **more):
        files.append(os.path.relpath(url, root))
        return original(url, session, **more)

    req_file.get_file_content = reading
    try:
        parser = req_file.RequirementsFileParser(None, req_file.get_line_parser(None))
        lines = [told(line, root) for line in parser.parse(os.path.join(root, case['path']), False)]
        return {'files': sorted(set(files)), 'lines': lines}
    except Exception as error:
        return {'error': '%s: %s' % (type(error).__name__, str(error)[:200])}
    finally:
        req_file.get_file_content = original
        for name in case['env']:
            os.environ.pop(name, None)


def told(line, root):
    requirement = getattr(line, 'requirement', None)
    found = {'file': os.path.relpath(line.filename, root), 'line': line.lineno, 'constraint': line.constraint}
    if requirement is not None:
        hashes = line.opts.hashes or {}
        found['requirement'] = requirement
        found['editable'] = line.is_editable
        found['hashes'] = sorted('%s:%s' % (kind, value) for kind, values in hashes.items() for value in values)
        return found
    options = {}
    for dest, name in OPTIONS.items():
        value = getattr(line.opts, dest, None)
        if value in (None, False, []):
            continue
        options[name] = [str(each) for each in value] if isinstance(value, list) else [] if value is True else [str(value)]
    found['options'] = options
    return found


os.environ['LC_ALL'] = 'C.UTF-8'
answers = []
with tempfile.TemporaryDirectory() as folder:
    for number, case in enumerate(json.load(sys.stdin)):
        root = os.path.join(folder, str(number))
        os.makedirs(root)
        answers.append(answer(case, root))
json.dump(answers, sys.stdout)
