"""Exact books: a pure fold over entries, and its SQLite projection."""

from foresight.ledger.books import Books, Position, Trade, fold

__all__ = ["Books", "Position", "Trade", "fold"]
