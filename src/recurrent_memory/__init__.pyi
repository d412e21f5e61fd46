from . import analysis as analysis
from . import bank as bank
from . import compat as compat
from . import evaluation as evaluation
from . import figures as figures
from . import networks as networks
from . import own_code as own_code
from . import sweeps as sweeps
from . import tasks as tasks
from . import training as training
from .errors import DamagedResultError as DamagedResultError
from .errors import DivergedError as DivergedError
from .errors import FileError as FileError
from .errors import FolderInUseError as FolderInUseError
from .errors import InputError as InputError
from .errors import InterruptedRunError as InterruptedRunError
from .errors import RefusedError as RefusedError
from .errors import StuckError as StuckError
from .errors import UnreadableFileError as UnreadableFileError
from .experiment import Experiment as Experiment
from .loading import load as load
from .runs import measures as measures
from .runs.further import train as train
from .runs.many import run_many as run_many
from .runs.run import run as run
from .runs.saved import save as save

__version__: str
