"""The parts of a portrait; each function draws one part of a face on a canvas."""
