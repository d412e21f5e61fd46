from . import measures as measures
