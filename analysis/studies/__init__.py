"""Which studies can be analysed? By a sweep's `study`, the function from its trials to claims and figures.

The criteria of claims. The paper (Rahaman et al. 2019) gives signs and figures and hardly a number to decide by. Its
own are: the signs of all claims; that all pairs of experiment 9 are connected; and of the notebooks' averages those
that reports name "authors". All other numbers are this project's, between what the notebooks have and no effect:

- sinusoids, perturbation: rho(k, T_0.5) >= 0.94, which averages of 2 or 3 runs reached (the notebooks' have 1);
  rho(k, a) <= -0.9 from update 1,000; all a >= 0.85 at 60,000; 7 of 10 amplitudes within two errors of the notebooks'.
- perturbation at delta 2: rho(k, r) <= -0.95 for k >= 10, r(50) <= 0.5, r(5) >= 0.9; rho(k, delta_0.9) <= -0.9.
- manifold: on one flower rho(k, T_0.5) >= 0.8 and rho(k, a) <= -0.6, mostly low first with local inversions (the
  notebook's 10 petals have -0.79); between flowers 0.8 and -0.8, from update 1,000.
- classification: mean rank correlations of 0.8 and -0.8; a frequency learned to 0.995 on every flower does not count.
- digit_noise: 0.8 and -0.8, the best loss at strength 1. kernel_spectrum: a quarter of the noise taken up at most.
- spike: 0.8 for depth and weight clip; more gained by depth than by width. curvature, neighbours: the sign alone;
  that curved is compared with `scaled` too is ours.
- class_paths: only that all are connected is judged.
"""

from collections.abc import Mapping

STUDIES: Mapping[str, str] = {  # "module:function", resolved on use: figures are slow to import
    "sinusoids": "analysis.studies.sinusoids:sinusoids",
    "perturbation": "analysis.studies.perturbation:perturbation",
    "manifold": "analysis.studies.manifold:manifold",
    "classification": "analysis.studies.classification:classification",
    "digit_noise": "analysis.studies.digit_noise:digit_noise",
    "kernel_spectrum": "analysis.studies.kernel_spectrum:kernel_spectrum",
    "spike": "analysis.studies.spike:spike",
    "curvature": "analysis.studies.curvature:curvature",
    "neighbours": "analysis.studies.neighbours:neighbours",
    "class_paths": "analysis.studies.class_paths:class_paths",
}
