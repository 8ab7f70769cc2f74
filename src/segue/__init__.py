"""Segue: customer journey orchestration with one live state per customer."""

__version__ = "0.1.0"
