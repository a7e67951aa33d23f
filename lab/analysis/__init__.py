"""Analysis: from the samples of runs to a comparison, without any output form.

stats        medians, intervals, ratios, outliers
rows         which samples belong to which row
emulation    what must be stated of numbers that an emulated guest made
shapes       the form of a comparison
comparison   making one
verdict      the sentences
"""
