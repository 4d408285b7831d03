"""Poetry, with its default index read in the way of any other index, since mirrors often have no other.

This is how pyflow runs it too: the floor does the same work.
"""

import sys

from poetry.console import application
from poetry.factory import Factory
from poetry.repositories.legacy_repository import LegacyRepository
from poetry.repositories.pypi_repository import PyPiRepository

create = Factory.create_package_source


def create_package_source(source, config, disable_cache=False):
    repository = create(source, config, disable_cache=disable_cache)
    if not isinstance(repository, PyPiRepository):
        return repository
    pool_size = config.installer_max_workers
    return LegacyRepository(
        repository.name, repository.url, config=config, disable_cache=disable_cache, pool_size=pool_size
    )


Factory.create_package_source = staticmethod(create_package_source)
sys.argv[0] = "poetry"
sys.exit(application.main())
