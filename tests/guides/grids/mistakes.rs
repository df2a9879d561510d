//! Every mistake of a grid names its line, or its file and cell.

use super::*;
