"""What the user sees of a run. Three siblings, chosen by where the output goes: `terminal` (rich), `plain`, `json_lines`.

Each has `header(text)`, `show(event)` and `close()`. The words and signs they share are in `words`.
"""
