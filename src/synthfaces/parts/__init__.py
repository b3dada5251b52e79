"""The parts of a portrait, each a function that paints a sitter on a canvas."""
