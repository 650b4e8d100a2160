"""Which targets of known frequency are there? The experiments of "On the Spectral Bias of Neural Networks", by name."""

from collections.abc import Mapping

EXPERIMENTS: Mapping[str, str] = {  # kind of a config -> "module:function" that builds its task
    "sinusoids": "specbias.synthetic.sinusoids:build_sinusoids",
    "perturbation": "specbias.synthetic.perturbation:build_perturbation",
    "manifold": "specbias.synthetic.manifold:build_manifold",
    "classification": "specbias.synthetic.manifold:build_classification",
    "digit_noise": "specbias.synthetic.digit_noise:build_digit_noise",
    "kernel_spectrum": "specbias.synthetic.kernel_spectrum:build_kernel_spectrum",
    "spike": "specbias.synthetic.spike:build_spike",
    "curvature": "specbias.synthetic.curvature:build_curvature",
    "neighbours": "specbias.synthetic.neighbours:build_neighbours",
}
TRAINED = {"class_paths": "specbias.synthetic.class_paths:run_class_paths"}  # asks a trained network: a run of its own
