//! The trunk of the OpenAPI document, which describes the product as a whole. The documents of the functions are merged into it.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use super::problem::ProblemObject;

/// The document without any operation.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Loan Engine",
        description = "Loan Engine reads loan tapes and decides for every loan whether to buy it, at what price, and why.\n\n\
                       Log in at `/api/auth/login` and send the token with every request as `Authorization: Bearer <token>`. \
                       What a user may do depends on the role: `admin`, `analyst` or `sales_team`. A member of a sales team sees \
                       only the runs and files of that team; everything else answers 404, as if it did not exist.\n\n\
                       Amounts are dollars, rates and ratios percent (6.5 means 6.5 %), times RFC 3339 in UTC. Numbers are exact: \
                       read them as decimals, not as binary floating point. Lists come in pages of `skip` and `limit`; the `Link` \
                       header holds the next one. Errors are RFC 9457 problems.",
    ),
    modifiers(&Bearer),
    tags(
        (name = "auth", description = "Log in, and manage users."),
        (name = "runs", description = "Start runs, watch them, and download their output files and archives."),
        (name = "data", description = "Read what runs found: summaries, exceptions and loans. Also sales teams and the configuration."),
        (name = "files", description = "Files in three areas: `inputs` (tapes and rule sets), `outputs` (what runs wrote) and `output_share` (files to pass on)."),
        (name = "health", description = "Whether the product works, and this documentation."),
    ),
    components(schemas(ProblemObject))
)]
pub struct Trunk;

/// Adds the security scheme that the endpoints call `bearer`: an access token.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut http = Http::new(HttpAuthScheme::Bearer);
        http.bearer_format = Some("JWT".to_owned());
        document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(http));
    }
}
