"""Which studies can be analysed? By a sweep's `study`, the function from its trials to claims and figures."""

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
