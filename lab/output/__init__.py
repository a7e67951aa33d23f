"""Output: a comparison in the forms people and programs read.

cells       what a table shows, the same in every form
tables      the one renderer of tables: terminal, Markdown, HTML
forms       a whole comparison: terminal, Markdown, CSV, JSON
pictures    SVG
report      the page, with its parts in report_parts
"""
