//! The Lambda of health, OpenAPI and its page.
