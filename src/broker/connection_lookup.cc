// Lookups, lists and schemas.

#include "broker/connection.h"
#include "broker/engine.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::broker {
namespace {

Answer<wire::TopicName> parse_topic(const std::string& text) {
    auto name = wire::TopicName::parse(text);
    if (!name) return refuse(ServerError::invalid_topic_name, name.error().message);
    return std::move(*name);
}

Schema to_schema(const proto::Schema& from) {
    Schema schema{from.type(), from.name(), from.schema_data(), {}, 0};
    for (const auto& property : from.properties()) schema.properties[property.key()] = property.value();
    return schema;
}

}  // namespace

void Connection::partitioned_metadata(const proto::CommandPartitionedTopicMetadata& command) {
    proto::BaseCommand answer;
    answer.set_type(proto::BaseCommand::PARTITIONED_METADATA_RESPONSE);
    auto& response = *answer.mutable_partitionmetadataresponse();
    response.set_request_id(command.request_id());
    const auto refused = [&](ServerError error, std::string message) {
        response.set_response(proto::CommandPartitionedTopicMetadataResponse::Failed);
        response.set_error(static_cast<proto::ServerError>(error));
        response.set_message(std::move(message));
        write(answer);
    };
    const auto name = parse_topic(command.topic());
    if (!name) return refused(name.error().error, name.error().message);
    if (!may(Rule::use_topic, *name))
        return refused(ServerError::authorization, "Client is not authorized to Get Partition Metadata");
    if (!engine_.metadata().has_namespace(name->namespace_full())) {
        return refused(ServerError::topic_not_found, "Namespace not found");
    }
    if (auto why = engine_.metadata().not_of_cluster(name->namespace_full(), engine_.options().cluster))
        return refused(ServerError::metadata, std::move(*why));
    if (!command.metadata_auto_creation_enabled() && !engine_.knows_topic(*name)) {
        return refused(ServerError::topic_not_found, str_cat("Topic not found: ", name->full()));
    }
    response.set_response(proto::CommandPartitionedTopicMetadataResponse::Success);
    response.set_partitions(engine_.metadata().partitions(*name));
    write(answer);
}

void Connection::lookup(const proto::CommandLookupTopic& command) {
    proto::BaseCommand answer;
    answer.set_type(proto::BaseCommand::LOOKUP_RESPONSE);
    auto& response = *answer.mutable_lookuptopicresponse();
    response.set_request_id(command.request_id());
    const auto refused = [&](ServerError error, std::string message) {
        response.set_response(proto::CommandLookupTopicResponse::Failed);
        response.set_error(static_cast<proto::ServerError>(error));
        response.set_message(std::move(message));
    };
    if (const auto name = parse_topic(command.topic()); !name) {
        refused(name.error().error, name.error().message);
    } else if (!may(Rule::use_topic, *name)) {
        refused(ServerError::authorization, "Client is not authorized to Lookup");
    } else if (auto why =
                   engine_.metadata().not_of_cluster(name->namespace_full(), engine_.options().cluster)) {
        refused(ServerError::metadata, std::move(*why));
    } else {
        response.set_response(proto::CommandLookupTopicResponse::Connect);
        if (auto url = engine_.service_url(); !url.empty()) response.set_brokerserviceurl(std::move(url));
        if (auto url = engine_.service_url_tls(); !url.empty())
            response.set_brokerserviceurltls(std::move(url));
        response.set_authoritative(true);
        response.set_proxy_through_service_url(false);
    }
    write(answer);
}

void Connection::topics_of_namespace(std::uint64_t request, const std::string& ns) {
    const Object object{.tenant = ns.substr(0, ns.find('/')), .ns = ns};
    if (!engine_.access().allows(principal_, Rule::use_namespace, object)) {
        return fail_request(request,
                            {ServerError::authorization, "Client is not authorized to GetTopicsOfNamespace"});
    }
    proto::BaseCommand answer;
    answer.set_type(proto::BaseCommand::GET_TOPICS_OF_NAMESPACE_RESPONSE);
    auto& response = *answer.mutable_gettopicsofnamespaceresponse();
    response.set_request_id(request);
    for (auto& topic : engine_.metadata().topics(ns)) response.add_topics(std::move(topic));
    response.set_filtered(false);
    response.set_changed(true);
    write(answer);
}

void Connection::get_schema(const proto::CommandGetSchema& command) {
    proto::BaseCommand answer;
    answer.set_type(proto::BaseCommand::GET_SCHEMA_RESPONSE);
    auto& response = *answer.mutable_getschemaresponse();
    response.set_request_id(command.request_id());
    const auto refused = [&](const Refusal& why) {
        response.set_error_code(static_cast<proto::ServerError>(why.error));
        response.set_error_message(why.message);
        write(answer);
    };
    const auto name = parse_topic(command.topic());
    if (!name) return refused(name.error());
    if (!may(Rule::use_topic, *name))
        return refused({ServerError::authorization, "Client is not authorized to get the schema"});
    std::optional<SchemaRegistry::Version> found;
    if (command.has_schema_version()) {
        const auto version = SchemaRegistry::decode_version(command.schema_version());
        if (!version) return refused({ServerError::incompatible_schema, "Empty schema version"});
        found = engine_.schemas().find(*name, *version);
    } else {
        found = engine_.schemas().latest(*name);
    }
    if (!found)
        return refused(
            {ServerError::topic_not_found, str_cat("Topic not found or no-schema ", name->full())});
    auto& schema = *response.mutable_schema();
    schema.set_name(name->local().data(), name->local().size());
    schema.set_type(static_cast<proto::Schema::Type>(found->schema.type));
    schema.set_schema_data(found->schema.data);
    for (const auto& [key, value] : found->schema.properties) {
        auto* property = schema.add_properties();
        property->set_key(key);
        property->set_value(value);
    }
    response.set_schema_version(SchemaRegistry::encode_version(found->version));
    write(answer);
}

void Connection::get_or_create_schema(const proto::CommandGetOrCreateSchema& command) {
    proto::BaseCommand answer;
    answer.set_type(proto::BaseCommand::GET_OR_CREATE_SCHEMA_RESPONSE);
    auto& response = *answer.mutable_getorcreateschemaresponse();
    response.set_request_id(command.request_id());
    const auto refused = [&](const Refusal& why) {
        response.set_error_code(static_cast<proto::ServerError>(why.error));
        response.set_error_message(why.message);
        write(answer);
    };
    const auto name = parse_topic(command.topic());
    if (!name) return refused(name.error());
    if (!may(Rule::produce, *name))
        return refused({ServerError::authorization, "Client is not authorized to create a schema"});
    const auto topic = engine_.open_topic(*name, Engine::Missing::create);
    if (!topic) return refused(topic.error());
    const auto version = engine_.schemas().get_or_create(*name, to_schema(command.schema()));
    if (!version) return refused(version.error());
    response.set_schema_version(SchemaRegistry::encode_version(*version));
    write(answer);
}

}  // namespace weft::broker
