//! The world's promises, told as stories.
