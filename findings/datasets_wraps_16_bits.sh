#!/usr/bin/env bash
# The library `datasets` keeps the low byte of each number of a 16-bit RGB array: 256 becomes 0, as does black.
#
# An array of 16 bits in a column of images keeps its numbers where it is grey. Where it is RGB it is cast to 8 bits
# modulo 256, neither scaled nor clipped, with a warning that it is "downcast to be compatible with 'Pillow'"; what is
# then stored, and written to parquet, looks like noise.
#
# datasets 5.2.0 with Pillow 13.0.0. Exit status 0: as described; 1: it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check datasets==5.2.0 pillow==13.0.0 numpy==2.4.6
cd "$folder"
cat > show.py <<'PYTHON'
import datasets
import numpy as np

print("datasets", datasets.__version__)
row = np.array([0, 255, 256, 511, 32768, 65535], np.uint16)
for kind, pixels in (("grey", np.tile(row, (2, 1))), ("RGB", np.tile(row[:, None], (2, 1, 3)))):
    table = datasets.Dataset.from_dict({"image": [pixels]}, features=datasets.Features({"image": datasets.Image()}))
    image = table[0]["image"]
    print(kind, "given", row, "mode", image.mode, "read back", np.asarray(image)[0].reshape(6, -1)[:, 0])
PYTHON
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" show.py 2> warnings | tee said
grep -m 1 -o "Downcasting array dtype uint16 to uint8 to be compatible with 'Pillow'" warnings | tee -a said
cat > expected <<'EXPECTED'
datasets 5.2.0
grey given [    0   255   256   511 32768 65535] mode I;16 read back [    0   255   256   511 32768 65535]
RGB given [    0   255   256   511 32768 65535] mode RGB read back [  0 255   0 255   0 255]
Downcasting array dtype uint16 to uint8 to be compatible with 'Pillow'
EXPECTED
if ! diff expected said; then
  echo "it has changed: seen is what the lines with > say" >&2
  exit 1
fi
echo "as described: of a 16-bit RGB array the low bytes are kept"
