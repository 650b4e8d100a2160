#!/usr/bin/env bash
# Pillow shows a grey TIFF whose white is zero as it is meant with 8 bits, and as its negative with 16 bits.
#
# In a TIFF with PhotometricInterpretation 0 (WhiteIsZero: many scanners and microscopes) 0 is white. Pillow inverts
# such pixels when it opens an image of 8 bits, so that 0 is black in memory; of 16 bits it leaves them as they are in
# the file, in mode I;16, where 0 is black too: the image is a negative, without a warning.
#
# Pillow 13.0.0, files written by tifffile 2026.3.3. Exit status 0: as described; 1: it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
cd "$folder"
cat > show.py <<'PYTHON'
import numpy as np
import PIL
import tifffile
from PIL import Image

print("Pillow", PIL.__version__)
for kind, most in ((np.uint8, 255), (np.uint16, 65535)):
    pixels = np.tile(np.array([0, most // 4, most], kind), (8, 1))  # white, a light grey and black in each row
    tifffile.imwrite("white_is_zero.tif", pixels, photometric="miniswhite")
    with Image.open("white_is_zero.tif") as image:
        print(np.dtype(kind), "in the file", pixels[0], "mode", image.mode, "opened", np.asarray(image)[0])
PYTHON
"$folder/venv/bin/python" show.py | tee said
cat > expected <<'EXPECTED'
Pillow 13.0.0
uint8 in the file [  0  63 255] mode L opened [255 192   0]
uint16 in the file [    0 16383 65535] mode I;16 opened [    0 16383 65535]
EXPECTED
if ! diff expected said; then
  echo "it has changed: seen is what the lines with > say" >&2
  exit 1
fi
echo "as described: with 16 bits white is opened as black"
