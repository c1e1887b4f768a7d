"""Korean text: one normal form, morphemes, and the four namespaces of tokens that BM25 counts."""

from naru.text.analyzer import Analyzer, AnalyzerSettings, Token, terms_of
from naru.text.normalize import Normalized, normalize

__all__ = ["Analyzer", "AnalyzerSettings", "Normalized", "Token", "normalize", "terms_of"]
