//! Reading pages of facts and exceptions.
