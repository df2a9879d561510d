//! Creates the table on a laptop and in tests. On AWS, the template creates it.

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::create_table::CreateTableError,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType, TimeToLiveSpecification,
    },
};

use super::{
    StoreError,
    keys::{EXPIRES_AT, INDEXES, PK, SK},
    sdk_error::{failed, unbuilt},
};

/// Creates the table with its indexes, unless it exists.
///
/// # Errors
/// [`StoreError::Unavailable`] when DynamoDB does not answer; [`StoreError::Refused`] when it refuses a request.
pub async fn create_table(client: &Client, name: &str) -> Result<(), StoreError> {
    let mut create = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for attribute in [PK, SK].into_iter().chain(INDEXES.iter().flat_map(|index| [index.pk, index.sk])) {
        create = create.attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name(attribute)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .map_err(unbuilt)?,
        );
    }
    for element in key_schema(PK, SK)? {
        create = create.key_schema(element);
    }
    for index in INDEXES {
        let projection = Projection::builder().projection_type(ProjectionType::All).build();
        let built = GlobalSecondaryIndex::builder().index_name(index.name).projection(projection);
        let built = built.set_key_schema(Some(key_schema(index.pk, index.sk)?.into())).build().map_err(unbuilt)?;
        create = create.global_secondary_indexes(built);
    }
    match create.send().await {
        Ok(_) => {}
        Err(SdkError::ServiceError(error)) if matches!(error.err(), CreateTableError::ResourceInUseException(_)) => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES_AT).build().map_err(unbuilt)?;
    client.update_time_to_live().table_name(name).time_to_live_specification(ttl).send().await.map_err(failed)?;
    Ok(())
}

fn key_schema(pk: &str, sk: &str) -> Result<[KeySchemaElement; 2], StoreError> {
    let element = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(unbuilt);
    Ok([element(pk, KeyType::Hash)?, element(sk, KeyType::Range)?])
}
