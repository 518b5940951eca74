"""How Sphinx builds the documentation: ``nox --session docs``."""

import importlib.metadata

project = "trusted-context"
author = "The trusted-context developers"
copyright = author  # noqa: A001  # Sphinx's name
release = version = importlib.metadata.version("trusted-context")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["wrap.css"]

napoleon_custom_sections = [("Raises on entering", "params_style")]
autodoc_typehints = "none"  # the signature has them; the docstrings say what they mean
python_use_unqualified_type_names = True
