"""Pictures as SVG text, to be put into one offline HTML file: no script, no font, nothing from elsewhere."""
