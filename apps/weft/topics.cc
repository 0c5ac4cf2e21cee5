// weft topics: what `pulsar-admin topics` does, over the same REST. The table.

#include "topics.h"

#include "admin_command.h"
#include "commands.h"
#include "permissions.h"

namespace weft::app {

namespace {

using config::Option;
using config::Times;
using config::Type;

constexpr Option kSubscription{.names = "-s, --subscription",
                               .value = "subName",
                               .help = "Subscription on the topic",
                               .times = Times::required};
constexpr Option kForce{.names = "-f, --force", .help = "Close all producers and consumers first"};
constexpr Option kPartitions{.names = "-p, --partitions",
                             .value = "numPartitions",
                             .help = "Number of partitions for the topic",
                             .type = Type::integer,
                             .times = Times::required};
constexpr Option kProperty{.names = "-p, --property",
                           .value = "key=value",
                           .help = "key value pair properties(-p a=b -p c=d)",
                           .times = Times::many};
constexpr Option kPrecise{.names = "-gpb, --get-precise-backlog", .help = "The backlog is always precise"};
constexpr Option kBacklogSize{.names = "-sbs, --get-subscription-backlog-size",
                              .help = "The backlog's size is always there"};
constexpr Option kEarliest{.names = "-etb, --get-earliest-time-in-backlog",
                           .help = "Set true to get earliest time in backlog",
                           .unsupported = "peek at the first message"};

constexpr Option kList[] = {
    {.names = "-b, --bundle",
     .value = "bundle",
     .help = "Namespace bundle to get list of topics",
     .unsupported = "leave it out: a namespace is one bundle"},
    {.names = "-td, --topic-domain",
     .value = "topicDomain",
     .help = "Allowed topic domain.",
     .choices = "persistent|non_persistent|non-persistent"},
    {.names = "-ist, --include-system-topic", .help = "Changes nothing: all topics are listed"},
};
constexpr Option kListPartitioned[] = {kList[2]};
constexpr Option kSort[] = {
    {.names = "-s, --sort-by-broker", .help = "Sort partitioned-topic by Broker Url"}};
constexpr Option kDelete[] = {
    kForce,
    {.names = "-r, --regex",
     .help = "Use a regex expression to match multiple topics for deletion.",
     .unsupported = "name each topic"},
    {.names = "--from-file",
     .help = "Read a list of topics from a file for deletion.",
     .unsupported = "name each topic"},
};
constexpr Option kUnsubscribe[] = {kForce, kSubscription};
constexpr Option kCreateSubscription[] = {
    kSubscription,
    {.names = "-m, --messageId",
     .value = "messageId",
     .help = "messageId where to create the subscription. It can be either 'latest', 'earliest' or "
             "(ledgerId:entryId)",
     .fallback = "latest"},
    {.names = "-r, --replicated",
     .help = "replicated subscriptions",
     .unsupported = "leave it out: nothing is replicated"},
    kProperty,
};
constexpr Option kOfSubscription[] = {kSubscription};
constexpr Option kUpdateSubscription[] = {
    kSubscription, kProperty, {.names = "-c, --clear", .help = "Remove all properties"}};
constexpr Option kStats[] = {kPrecise, kBacklogSize, kEarliest};
constexpr Option kPartitionedStats[] = {
    {.names = "--per-partition", .help = "Get per partition stats"}, kPrecise, kBacklogSize, kEarliest};
constexpr Option kInternal[] = {{.names = "-m, --metadata",
                                 .help = "Flag to include ledger metadata",
                                 .unsupported = "leave it out: there are no bookies"}};
constexpr Option kSkip[] = {kSubscription,
                            {.names = "-n, --count",
                             .value = "numMessages",
                             .help = "Number of messages to skip",
                             .type = Type::integer,
                             .times = Times::required}};
constexpr Option kCreate[] = {{.names = "-m, --metadata",
                               .value = "key=value",
                               .help = "A property of the topic. May stand there more than once",
                               .times = Times::many}};
constexpr Option kCreatePartitioned[] = {
    kPartitions,
    {.names = "-m, --metadata",
     .value = "key=value",
     .help = "A property of the topic",
     .unsupported = "leave it out: a partitioned topic keeps no properties"}};
constexpr Option kUpdatePartitioned[] = {
    kPartitions,
    {.names = "-f, --force", .help = "Changes nothing: there is nothing that is not checked"},
    {.names = "-ulo, --update-local-only", .help = "Changes nothing: there is one cluster"}};
constexpr Option kProperties[] = {kProperty};
constexpr Option kRemoveProperty[] = {{.names = "-k, --key",
                                       .value = "key",
                                       .help = "The key to remove in the properties of topic",
                                       .times = Times::required}};
constexpr Option kReset[] = {
    kSubscription,
    {.names = "-t, --time",
     .value = "resetTime",
     .help = "time to reset back to (or minutes, hours, days, weeks eg: 100m, 3h, 2d, 5w)"},
    {.names = "-m, --messageId, --message-id",
     .value = "messageId",
     .help = "messageId to reset back to: 'latest', 'earliest' or ledgerId:entryId"},
    {.names = "-e, --exclude-reset-position",
     .help = "Exclude the reset position, start consume messages from the next position."},
};
constexpr Option kDateTime[] = {{.names = "-d, --datetime",
                                 .value = "datetime",
                                 .help = "datetime at or before this messageId: 2024-12-31T00:00:00Z",
                                 .times = Times::required}};
constexpr Option kPeek[] = {kSubscription,
                            {.names = "-n, --count",
                             .value = "numMessages",
                             .help = "Number of messages",
                             .type = Type::integer,
                             .fallback = "1"},
                            {.names = "-ssm, --show-server-marker",
                             .help = "Enables the display of internal server write markers.",
                             .unsupported = "leave it out: there are no markers"},
                            {.names = "-til, --transaction-isolation-level",
                             .value = "level",
                             .help = "Sets the isolation level for peeking messages within transactions.",
                             .unsupported = "leave it out: there are no transactions"}};
constexpr Option kCompactionStatus[] = {
    {.names = "-w, --wait-complete", .help = "Wait for compaction to complete"}};
constexpr Option kById[] = {{.names = "-l, --ledgerId",
                             .value = "ledgerId",
                             .help = "ledger id",
                             .type = Type::integer,
                             .times = Times::required},
                            {.names = "-e, --entryId",
                             .value = "entryId",
                             .help = "entry id",
                             .type = Type::integer,
                             .times = Times::required}};

Result<std::string> partition_count(const Call& call) { return call.arguments.text("--partitions"); }
Result<std::string> topic_properties(const Call& call) {
    return properties_json(call.arguments.values("--metadata"), "--metadata");
}
Result<std::string> properties(const Call& call) {
    if (call.entry.word == "update-subscription-properties" && call.arguments.is_set("--clear"))
        return std::string("{}");
    return properties_json(call.arguments.values("--property"), "--property");
}
Result<std::string> subscription_start(const Call& call) {
    WEFT_TRY(const auto json, properties_json(call.arguments.values("--property"), "--property"));
    return message_id_json(call.arguments.text("--messageId"),
                           str_cat(R"(,"isExcluded":false,"batchIndex":-1,"properties":)", json));
}

constexpr Rest kRestPartitioned{"GET", "/admin/v2/persistent/{namespace}/partitioned", Show::lines};
constexpr Rest kRestRange{"GET", "/lookup/v2/topic/{topic}/bundle", Show::text};
constexpr Rest kRestUnload{"PUT", "/admin/v2/{topic}/unload"};
constexpr Rest kRestSubscriptions{"GET", "/admin/v2/{topic}/subscriptions", Show::lines};
constexpr Rest kRestUnsubscribe{"DELETE", "/admin/v2/{topic}/subscription/{--subscription}?force={--force}"};
constexpr Rest kRestSubscribe{"PUT", "/admin/v2/{topic}/subscription/{--subscription}", Show::nothing,
                              subscription_start};
constexpr Rest kRestGetSubscription{"GET", "/admin/v2/{topic}/subscription/{--subscription}/properties",
                                    Show::compact};
constexpr Rest kRestSetSubscription{"PUT", "/admin/v2/{topic}/subscription/{--subscription}/properties",
                                    Show::nothing, properties};
constexpr Rest kRestStats{"GET", "/admin/v2/{topic}/stats", Show::value};
constexpr Rest kRestInternal{"GET", "/admin/v2/{topic}/internalStats", Show::value};
constexpr Rest kRestPartitionedStats{
    "GET", "/admin/v2/{topic}/partitioned-stats?perPartition={--per-partition}", Show::value};
constexpr Rest kRestSkip{"POST", "/admin/v2/{topic}/subscription/{--subscription}/skip/{--count}"};
constexpr Rest kRestClear{"POST", "/admin/v2/{topic}/subscription/{--subscription}/skip_all"};
constexpr Rest kRestCreatePartitioned{"PUT", "/admin/v2/{topic}/partitions", Show::nothing, partition_count};
constexpr Rest kRestUpdatePartitioned{"POST", "/admin/v2/{topic}/partitions", Show::nothing, partition_count};
constexpr Rest kRestMissed{"POST", "/admin/v2/{topic}/createMissedPartitions"};
constexpr Rest kRestCreate{"PUT", "/admin/v2/{topic}", Show::nothing, topic_properties};
constexpr Rest kRestMetadata{"GET", "/admin/v2/{topic}/partitions", Show::value};
constexpr Rest kRestDeletePartitioned{"DELETE", "/admin/v2/{topic}/partitions?force={--force}"};
constexpr Rest kRestProperties{"GET", "/admin/v2/{topic}/properties", Show::map};
constexpr Rest kRestSetProperties{"PUT", "/admin/v2/{topic}/properties", Show::nothing, properties};
constexpr Rest kRestRemoveProperty{"DELETE", "/admin/v2/{topic}/properties?key={--key}"};
constexpr Rest kRestPermissions{"GET", "/admin/v2/{topic}/permissions", Show::map};
constexpr Rest kRestGrant{"POST", "/admin/v2/{topic}/permissions/{--role}", Show::nothing, granted_actions};
constexpr Rest kRestRevoke{"DELETE", "/admin/v2/{topic}/permissions/{--role}"};
constexpr Rest kRestLastId{"GET", "/admin/v2/{topic}/lastMessageId", Show::value};

constexpr Entry row(std::string_view word, std::string_view summary, std::span<const Option> options,
                    const Rest& rest) {
    return {.word = word,
            .summary = summary,
            .options = options,
            .positional = rest.path.contains("{namespace}") ? "<tenant/namespace>" : "<topic>",
            .takes = rest.show == Show::nothing ? Takes::connection : Takes::shown,
            .run = run_rest,
            .rest = &rest};
}
constexpr Entry row(std::string_view word, std::string_view summary, std::span<const Option> options,
                    int (*run)(const Call&), std::string_view positional = "<topic>",
                    Takes takes = Takes::connection) {
    return {.word = word,
            .summary = summary,
            .options = options,
            .positional = positional,
            .takes = takes,
            .run = run};
}

constexpr std::span<const Option> kNone{};
constexpr Entry kTopics[] = {
    row("list", "Get the list of topics under a namespace.", kList, list_topics, "<tenant/namespace>",
        Takes::shown),
    row("list-partitioned-topics", "Get the list of partitioned topics under a namespace.", kListPartitioned,
        kRestPartitioned),
    row("lookup", "Lookup a topic from the current serving broker", kNone, look_up_partitions, "<topic>",
        Takes::shown),
    row("partitioned-lookup", "Lookup a partitioned topic from the current serving broker", kSort,
        look_up_partitions, "<topic>", Takes::shown),
    row("bundle-range", "Get Namespace bundle range of a topic", kNone, kRestRange),
    row("delete",
        "Delete a topic. The topic cannot be deleted if there's any active subscription or producers "
        "connected "
        "to it.",
        kDelete, delete_topic),
    row("unload", "Unload a topic: its clients come back at once.", kNone, kRestUnload),
    row("subscriptions", "Get the list of subscriptions on the topic", kNone, kRestSubscriptions),
    row("unsubscribe",
        "Delete a durable subscriber from a topic. The subscription cannot be deleted if there are any "
        "active "
        "consumers attached to it",
        kUnsubscribe, kRestUnsubscribe),
    row("create-subscription", "Create a new subscription on a topic", kCreateSubscription, kRestSubscribe),
    row("update-subscription-properties", "Update the properties of a subscription on a topic",
        kUpdateSubscription, kRestSetSubscription),
    row("get-subscription-properties", "Get the properties of a subscription on a topic", kOfSubscription,
        kRestGetSubscription),
    row("stats", "Get the stats for the topic and its connected producers and consumers", kStats, kRestStats),
    row("stats-internal", "Get the internal stats for the topic", kInternal, kRestInternal),
    row("partitioned-stats",
        "Get the stats for the partitioned topic and its connected producers and consumers",
        kPartitionedStats, kRestPartitionedStats),
    row("skip", "Skip some messages for the subscription", kSkip, kRestSkip),
    row("clear-backlog", "Skip all the messages for the subscription", kOfSubscription, kRestClear),
    row("create-partitioned-topic",
        "Create a partitioned topic. The partitioned topic has to be created before creating a producer on "
        "it.",
        kCreatePartitioned, kRestCreatePartitioned),
    row("create-missed-partitions", "Create the partitions of a partitioned topic that are missing", kNone,
        kRestMissed),
    row("create", "Create a non-partitioned topic.", kCreate, kRestCreate),
    row("update-partitioned-topic",
        "Update existing partitioned topic. New updating number of partitions must be greater than existing "
        "number of partitions.",
        kUpdatePartitioned, kRestUpdatePartitioned),
    row("get-partitioned-topic-metadata", "Get the partitioned topic metadata", kNone, kRestMetadata),
    row("get-properties", "Get the topic properties.", kNone, kRestProperties),
    row("update-properties", "Update the properties of on a topic", kProperties, kRestSetProperties),
    row("remove-properties", "Remove the key in properties of a topic", kRemoveProperty, kRestRemoveProperty),
    row("delete-partitioned-topic",
        "Delete a partitioned topic. It will also delete all the partitions of the topic if it exists.",
        std::span<const Option>(kDelete, 1), kRestDeletePartitioned),
    row("peek-messages", "Peek some messages for the subscription", kPeek, peek_messages),
    row("get-message-by-id", "Get message by its ledgerId and entryId", kById, message_by_id),
    row("get-message-id", "Get message ID of the first message at or after a time", kDateTime,
        message_id_by_time, "<topic>", Takes::shown),
    row("reset-cursor",
        "Reset position for subscription to a position that is closest to timestamp or messageId.", kReset,
        reset_cursor),
    row("compact",
        "Compact a topic: of the messages with the same key the newest is kept for those who read it "
        "compacted.",
        kNone, compact_topic),
    row("compaction-status", "Status of compaction on a topic", kCompactionStatus, compaction_status),
    row("permissions",
        "Get the permissions on a topic: those of its namespace and its own, each role's together.", kNone,
        kRestPermissions),
    row("grant-permission", "Grant a new permission to a client role on a single topic.", kGrantOptions,
        kRestGrant),
    row("revoke-permission",
        "Revoke permissions to a client role on a single topic. If the permission was not set at the topic "
        "level, but rather at the namespace level, this is an error (412).",
        kRevokeOptions, kRestRevoke),
    row("last-message-id", "get the last commit message id of topic", kNone, kRestLastId),
};

}  // namespace

const Group& topics_group() {
    static const auto kRows = rows(
        kTopics,
        {{"truncate", "use topics clear-backlog: what all have acked goes by retention"},
         {"trim-topic", "what all have acked goes by itself"},
         {"info-internal partitioned-stats-internal", "use topics stats-internal"},
         {"expire-messages expire-messages-all-subscriptions", "use topics reset-cursor or clear-backlog"},
         {"examine-messages", "use topics get-message-by-id"},
         {"get-backlog-size analyze-backlog", "use topics stats"},
         {"terminate partitioned-terminate", "delete the topic, or stop its producers"},
         {"offload offload-status get-offload-policies set-offload-policies remove-offload-policies "
          "get-persistence set-persistence remove-persistence",
          "there are no bookies: messages are in the data directory"},
         {"set-replicated-subscription-status get-replicated-subscription-status get-replication-clusters "
          "set-replication-clusters remove-replication-clusters get-shadow-topics set-shadow-topics "
          "remove-shadow-topics create-shadow-topic get-shadow-source",
          "nothing is replicated"},
         {"get-retention set-retention remove-retention", "use namespaces set-retention"},
         {"get-schema-validation-enforce set-schema-validation-enforce get-backlog-quotas set-backlog-quota "
          "remove-backlog-quota get-message-ttl set-message-ttl remove-message-ttl enable-deduplication "
          "disable-deduplication get-deduplication-enabled set-deduplication get-deduplication "
          "remove-deduplication get-deduplication-snapshot-interval set-deduplication-snapshot-interval "
          "remove-deduplication-snapshot-interval get-delayed-delivery set-delayed-delivery "
          "remove-delayed-delivery get-dispatch-rate set-dispatch-rate remove-dispatch-rate "
          "get-subscription-dispatch-rate set-subscription-dispatch-rate remove-subscription-dispatch-rate "
          "get-replicator-dispatch-rate set-replicator-dispatch-rate remove-replicator-dispatch-rate "
          "get-compaction-threshold set-compaction-threshold remove-compaction-threshold "
          "get-max-unacked-messages-on-consumer set-max-unacked-messages-on-consumer "
          "remove-max-unacked-messages-on-consumer get-max-unacked-messages-on-subscription "
          "set-max-unacked-messages-on-subscription remove-max-unacked-messages-on-subscription "
          "get-max-unacked-messages-per-consumer set-max-unacked-messages-per-consumer "
          "remove-max-unacked-messages-per-consumer get-max-unacked-messages-per-subscription "
          "set-max-unacked-messages-per-subscription remove-max-unacked-messages-per-subscription "
          "get-publish-rate set-publish-rate remove-publish-rate set-subscription-types-enabled "
          "get-subscription-types-enabled remove-subscription-types-enabled get-maxProducers "
          "set-maxProducers "
          "remove-maxProducers get-max-producers set-max-producers remove-max-producers "
          "get-max-subscriptions "
          "set-max-subscriptions remove-max-subscriptions get-max-message-size set-max-message-size "
          "remove-max-message-size get-max-consumers-per-subscription set-max-consumers-per-subscription "
          "remove-max-consumers-per-subscription get-inactive-topic-policies set-inactive-topic-policies "
          "remove-inactive-topic-policies get-max-consumers set-max-consumers remove-max-consumers "
          "get-subscribe-rate set-subscribe-rate remove-subscribe-rate",
          "a topic has no policies of its own yet"}});
    static const Group kGroup{.word = "topics",
                              .summary = "Operations on persistent topics",
                              .entries = kRows,
                              .examples =
                                  "  weft topics create-partitioned-topic my-topic --partitions 4\n"
                                  "  weft topics stats my-topic --output table\n"
                                  "  weft topics reset-cursor my-topic -s my-subscription --time 2h\n",
                              .wrong_use_code = kFailed};
    return kGroup;
}

}  // namespace weft::app
