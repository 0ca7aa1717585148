"""Pages as the site shows them: links that are good on GitHub stay good here, and the theme's own files are added."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
ASSETS = Path(__file__).parent / "assets"
OUTSIDE = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#]+)[^)]*\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies in assets/."""
    for path in sorted(ASSETS.iterdir()):
        files.append(File.generated(config, f"assets/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show links to files of the repository that are no pages, such as sources, as their names."""
    folder = Path(page.file.abs_src_path or config.docs_dir).parent

    def shown(found: re.Match[str]) -> str:
        target = (folder / found[2]).resolve()
        leaves = not target.is_relative_to(config.docs_dir)
        return f"{found[1]} (`{target.relative_to(ROOT)}`)" if leaves and target.exists() else found[0]

    return OUTSIDE.sub(shown, markdown)
