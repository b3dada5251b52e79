"""A folder of pictures to compare with: what can be read of it, and what was skipped and why."""

from __future__ import annotations

from domainvec.picture_files import PictureFolder

ReferenceFolder = PictureFolder
"""The pictures of a folder, as everywhere else in the package."""
