"""One question put to several models: in a cell, and over a set of prompts."""
