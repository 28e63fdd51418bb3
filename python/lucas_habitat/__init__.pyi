# The public names and where they live: read by type checkers, and by lazy_loader when a name is first used.

from ._base.runs import Run as Run
from .app.server import run_app as run_app
from .cache import cache_info as cache_info
from .cache import clear_cache as clear_cache
from .calibration import calibrate as calibrate
from .certainty import abstain as abstain
from .certainty import labelling_saved as labelling_saved
from .certainty import predict_level as predict_level
from .certainty import prediction_sets as prediction_sets
from .class_shares import adjust_shares as adjust_shares
from .class_shares import estimate_shares as estimate_shares
from .classifier import classify as classify
from .comparison import Comparison as Comparison
from .comparison import compare as compare
from .cross_validation import cross_validate as cross_validate
from .diagnostics import reliability as reliability
from .diagnostics import vote_gain as vote_gain
from .distances import error_by_distance as error_by_distance
from .eight_bits import quantize as quantize
from .evaluation import Evaluation as Evaluation
from .evaluation import evaluate as evaluate
from .exchange.archive import write_dwca as write_dwca
from .exchange.catalogue import write_croissant as write_croissant
from .exchange.sdm_report import odmap as odmap
from .geotags import locate_photos as locate_photos
from .images.drawn import draw_demo_photos as draw_demo_photos
from .levels import at_level as at_level
from .levels import class_levels as class_levels
from .look_alikes import near_duplicates as near_duplicates
from .maps.accuracy import validate_map as validate_map
from .maps.results import MapAccuracy as MapAccuracy
from .model import HabitatModel as HabitatModel
from .networks.backbones import build_model as build_model
from .over_years import changes as changes
from .over_years import transitions as transitions
from .pages.run_page import report as report
from .photos import list_photos as list_photos
from .pictures.charts import (
    plot_confusion as plot_confusion,
)
from .pictures.charts import (
    plot_history as plot_history,
)
from .pictures.charts import (
    plot_reliability as plot_reliability,
)
from .pictures.charts import (
    plot_votes as plot_votes,
)
from .pictures.colours import class_colours as class_colours
from .pictures.distances import plot_distance as plot_distance
from .pictures.labelling import plot_labelling as plot_labelling
from .pictures.maps import plot_map as plot_map
from .pictures.photos import plot_photos as plot_photos
from .pictures.photos import plot_point as plot_point
from .pictures.recipes import plot_recipes as plot_recipes
from .pictures.transitions import plot_transitions as plot_transitions
from .proportions import covariates as covariates
from .proportions import support as support
from .rdata import save_rds as save_rds
from .rdata import to_r as to_r
from .recipe_comparison import RecipeComparison as RecipeComparison
from .review import doubted_labels as doubted_labels
from .review import review_list as review_list
from .saved_models import load_model as load_model
from .saved_models import save_model as save_model
from .sharing.share import SharedModel as SharedModel
from .sharing.share import share_model as share_model
from .sidecars.writing import write_xmp as write_xmp
from .sorting.placing import sort_photos as sort_photos
from .sorting.reading import read_sorted as read_sorted
from .split_checks import SplitCheck as SplitCheck
from .split_checks import check_split as check_split
from .splits import split_photos as split_photos
from .studies.demo import run_demo as run_demo
from .studies.pilot import pilot as pilot
from .studies.recipes import compare_recipes as compare_recipes
from .survey.credit import credit as credit
from .survey.nomenclature import (
    assign_habitat as assign_habitat,
)
from .survey.nomenclature import (
    eunis_scheme as eunis_scheme,
)
from .survey.nomenclature import (
    lc1_codes as lc1_codes,
)
from .survey.nomenclature import (
    pilot_scheme as pilot_scheme,
)
from .survey.photos import download_photos as download_photos
from .survey.selection import select_points as select_points
from .survey.server import photo_url as photo_url
from .survey.table_files import download_table as download_table
from .survey.tables import read_survey as read_survey
from .trained_photos import in_training as in_training
from .training import train as train
from .voting import vote as vote

__version__: str
__all__: list[str]
