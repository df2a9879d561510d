//! Serves the routes of a function as an AWS Lambda.

pub use lambda_http::Error;

use axum::{extract::Request, middleware::map_request};
use lambda_http::request::RequestContext;
use stores::{config::Config, resources::Resources, telemetry};

use super::{extract::ClientAddress, layers, routes::Api};

/// Answers the requests of API Gateway with the routes of a function. `function` is the name of its crate, whose events are
/// logged.
///
/// # Errors
/// [`Error`] when an environment variable is missing or invalid, and when the Lambda runtime does not answer.
#[tokio::main]
pub async fn run(function: &str, api: fn(&Resources) -> Api) -> Result<(), Error> {
    let config = Config::from_env()?;
    telemetry::init(&config.log_level, &[function]);
    let resources = Resources::of_lambda(&config).await;
    lambda_http::run(layers::serve(api(&resources)).layer(map_request(with_address))).await
}

/// Adds the IP address of the client, as API Gateway saw it, to the request's extensions.
async fn with_address(mut request: Request) -> Request {
    if let Some(RequestContext::ApiGatewayV2(context)) = request.extensions().get()
        && let Some(address) = context.http.source_ip.clone()
    {
        request.extensions_mut().insert(ClientAddress(address));
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn the_address_of_a_client_is_the_one_that_the_gateway_saw() {
        let event = include_str!("../../events/auth/log_in.json");
        let request = lambda_http::request::from_str(event).unwrap().map(Body::new);
        let request = with_address(request).await;
        assert_eq!(request.extensions().get(), Some(&ClientAddress("203.0.113.7".to_owned())));
    }
}
