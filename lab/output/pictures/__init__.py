"""Pictures as SVG without scripts: the waterfall of phases, the strip of single boots, and the axis they share."""
