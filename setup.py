"""Packages the examples as the templates of `segue new`; all else stands in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithTemplates(build_py):
    """Copies each example workspace beside the code, so that an installed Segue has them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return  # a checkout reads examples/ itself
        for workspace in sorted(Path("examples").glob("*/workspace.yaml")):
            folder = workspace.parent
            target = Path(self.build_lib) / "segue" / "templates" / folder.name
            shutil.copytree(folder, target, dirs_exist_ok=True)


setup(cmdclass={"build_py": WithTemplates})
