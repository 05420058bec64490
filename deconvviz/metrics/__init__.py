"""Errors of reconstructions, one number an image, each definition under a name of its own.

    image_error_db(originals, reconstructions, mean_pair_distance(originals))
    psnr(originals, reconstructions), ssim(originals, reconstructions)
    Lpips(state)(originals, reconstructions)
    rank_correlation(maps, others)

Three papers call three quantities "reconstruction error"; they differ in being squared or not and in what
they are divided by, so that none can be read off another:

| name | formula, an image | where |
|---|---|---|
| image_error_db, feature_error_db | ‖x − r‖ / mean of ‖x_i − x_j‖ over pairs i ≠ j | Dosovitskiy & Brox |
| feature_error_mv15 | ‖x − r‖² / mean of ‖x_i − x_j‖² over all pairs | Mahendran & Vedaldi 2015 |
| feature_error_mv16 | ‖x − r‖ / ‖x‖ | Mahendran & Vedaldi 2016 |
"""

from .features import feature_error_db, feature_error_mv15, feature_error_mv16
from .fitting import affine_fit, determination, explained
from .images import image_error_db, mean_squared_error, psnr, ssim
from .pairs import evenly_spaced, mean_pair_distance, mean_squared_pair_distance
from .perceptual import Lpips
from .ranks import rank_correlation

__all__ = [
    "Lpips",
    "affine_fit",
    "determination",
    "evenly_spaced",
    "explained",
    "feature_error_db",
    "feature_error_mv15",
    "feature_error_mv16",
    "image_error_db",
    "mean_pair_distance",
    "mean_squared_error",
    "mean_squared_pair_distance",
    "psnr",
    "rank_correlation",
    "ssim",
]
