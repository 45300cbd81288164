"""Plots of docs/benchmarks, as SVG.

charts: lines over an axis, and bars
plots: which figures become which plot
spans: ratios with their spans
svg: the shapes
"""
