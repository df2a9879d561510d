//! What errors of the AWS SDK mean.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use super::StoreError;

/// Error codes of DynamoDB and S3 for a store that does not answer or is too busy.
const UNAVAILABLE: [&str; 14] = [
    "ThrottlingException",
    "Throttling",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
    "InternalError",
    "ServiceUnavailable",
    "TransactionInProgressException",
    "TransactionConflictException",
    "RequestTimeout",
    "RequestTimeoutException",
    "SlowDown",
    "LimitExceededException",
    "ReplicatedWriteConflictException",
];

/// Translates an error of the SDK.
pub fn failed<E>(error: SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let refused = match &error {
        SdkError::ServiceError(service) => {
            let known = service.err().code().is_none_or(|code| UNAVAILABLE.contains(&code));
            !known && !service.raw().status().is_server_error()
        }
        SdkError::ConstructionFailure(_) => true,
        _ => false,
    };
    match refused {
        true if is_about_size(error.message()) => StoreError::TooLarge(Box::new(error)),
        true => StoreError::Refused(Box::new(error)),
        false => StoreError::Unavailable(Box::new(error)),
    }
}

/// Whether DynamoDB refuses an item because it is too large. DynamoDB has no error code for that, so the message decides.
pub fn is_about_size(message: Option<&str>) -> bool {
    message.is_some_and(|message| message.contains("Item size") && message.contains("exceeded"))
}

/// The error for a request that the SDK cannot build, because a field is missing.
pub fn unbuilt(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Refused(Box::new(error))
}
