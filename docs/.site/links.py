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
        if target.is_relative_to(config.docs_dir) or not target.exists():
            return found[0]
        text, name = found[1], str(target.relative_to(ROOT))
        return f"`{name}`" if name.endswith(text.strip("`")) else f"{text} (`{name}`)"

    return OUTSIDE.sub(shown, markdown)
