from .matfile import load_mat as load_mat
from .matfile import mat_recorded as mat_recorded
from .matfile import save_mat as save_mat
from .matwriter import to_mat as to_mat
from .scripts import SCRIPTS as SCRIPTS
from .scripts import Script as Script
from .sequentiality import compute_SI as compute_SI
