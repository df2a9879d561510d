//! The same grid in other forms judges alike.

use super::*;
