"""Lead "View this page" and "Edit this page" of the gallery to the scripts that it is made of."""

from pathlib import PurePosixPath


def lead_to_script(app, pagename, templatename, context, doctree):
    """Name the script, or the header of an index, in place of the page that was made of it."""
    page = PurePosixPath(pagename)
    if page.parts[0] != "auto_gallery":
        return
    source = PurePosixPath("gallery", *page.parts[1:])
    index = source.name == "index"
    source = source.with_name("GALLERY_HEADER.rst") if index else source.with_suffix(".py")
    theme = app.config.html_theme_options
    for link, action in (("view", "blob"), ("edit", "edit")):
        address = f"{theme['source_repository']}{action}/{theme['source_branch']}/{source}"
        context[f"theme_source_{link}_link"] = address


def setup(app):
    """Come in before the theme writes its links."""
    app.connect("html-page-context", lead_to_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
