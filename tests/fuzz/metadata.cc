// Records that another worker, or an earlier broker, may have left: the messages of the internal topics, and
// the broker's records in the map of the store.

#include "broker/metadata.h"
#include "broker/schema_registry.h"
#include "input.h"
#include "model/function_details.h"
#include "model/validation.h"
#include "observe/log.h"
#include "wire/proto/Function.pb.h"
#include "worker/function_tables.h"
#include "worker/schedule.h"

namespace weft::fuzz {
namespace {

/// The map of a store, and nothing else of it.
class MapOnly final : public store::Store {
  public:
    const std::map<std::string, Bytes, std::less<>>& map() const override { return map_; }
    void put(std::string key, Bytes value, Done done) override {
        map_.insert_or_assign(std::move(key), std::move(value));
        done({});
    }
    void erase(std::string key, Done done) override {
        map_.erase(key);
        done({});
    }
    store::LedgerId create_ledger() override { return 1; }
    void append(store::LedgerId, Bytes, Appended) override {}
    void read(store::LedgerId, store::EntryId, std::size_t, std::size_t, Read) override {}
    Result<store::LedgerInfo> info(store::LedgerId) const override { return store::LedgerInfo{}; }
    void trim(store::LedgerId, store::EntryId) override {}
    void erase_ledger(store::LedgerId) override {}
    Stats stats() const override { return {}; }
    bool out_of_room() const override { return false; }
    const std::string& directory() const override { return directory_; }

  private:
    const std::string directory_ = "/data";
    std::map<std::string, Bytes, std::less<>> map_;
};

void look_at_function(const ::proto::FunctionMetaData& meta) {
    const auto config = model::from_details(meta.functiondetails());
    const auto json = model::to_json(config);
    const auto again = model::function_config_from_json(json);
    if (again) {
        auto copy = *again;
        model::infer_missing(copy);
        if (model::validate(copy) && model::refuse_unsupported(copy)) {
            ::proto::FunctionDetails details;
            model::to_details(copy, details);
            must(model::name_of(details).name == copy.name, "a function keeps its name");
        }
    }
    (void)worker::program_fingerprint(meta);
    for (const auto change : {model::StateChange::start, model::StateChange::stop}) {
        for (const std::int32_t id : {-1, 0, 7}) {
            if (model::instances_of(meta.functiondetails()) > 10'000) continue;
            if (!model::can_change_state(meta, id, change)) continue;
            auto changed = meta;
            model::change_state(changed, id, change);
        }
    }
}

// A topic's records, one behind the other.
void replay(Input& input) {
    worker::MetadataTable functions;
    worker::AssignmentTable assignments;
    while (!input.empty()) {
        worker::Record record;
        const bool is_assignment = input.byte() % 2 == 1;
        record.key = input.text();
        record.payload = input.bytes(input.u16());
        if (is_assignment) {
            if (const auto event = worker::read_assignment(record)) assignments.apply(*event);
            continue;
        }
        const auto event = worker::read_metadata(record);
        if (!event || !*event) continue;
        look_at_function(*(*event)->meta);
        functions.apply(**event);
        (void)functions.check_current((*event)->change, *(*event)->meta);
    }
    for (const auto& [name, meta] : functions.all()) {
        if (model::instances_of(meta->functiondetails()) > 10'000) continue;  // bounded where it is created
        worker::Workforce force{.takers = {{"worker-1", {}}, {"worker-2", {}}}, .waited_for = {}};
        for (const auto& event : worker::plan_assignments(name, meta, assignments.of(name), force))
            assignments.apply(event);
        (void)worker::instances_to_run(meta, assignments.of(name), "worker-1");
        must(worker::plan_assignments(name, meta, assignments.of(name), force).empty(),
             "a plan that was carried out leaves nothing to do");
    }
}

void read_cursor(Input& input) {
    auto cursor = broker::Cursor::parse(input.bytes(input.u16()));
    if (!cursor) return;
    const auto again = broker::Cursor::parse(cursor->serialize());
    must(again && *again == *cursor, "a cursor that was read is written as it was");
    for (int acks = 0; acks < 16 && !input.empty(); ++acks) {
        const auto from = cursor->position() + input.number() % 1000;
        if (from < cursor->position()) break;
        if (input.byte() % 2 == 1) {
            const std::int64_t bits[] = {static_cast<std::int64_t>(input.number()), 1};
            cursor->ack_bits(from, bits);
        } else {
            cursor->ack_range(from, from + input.byte());
        }
        (void)cursor->next_unacked(from);
        (void)cursor->backlog(from);
    }
    must(!cursor->is_acked(cursor->next_unacked(0)), "the next unacked entry is not acked");
}

// The records of one topic and its namespace, with any value.
void read_map(Input& input) {
    MapOnly store;
    broker::Metadata metadata(store);
    const auto topic = wire::TopicName::parse("t");
    const std::string name = topic->full();
    const std::string keys[] = {"tenant/public",         "ns/public/default",
                                "topic/" + name,         "ptopic/" + name,
                                "cursor/" + name + "/s", "schema/" + name + "/00000000000000000000"};
    const auto ignore = [](const Result<>&) {};
    while (!input.empty()) {
        const std::uint8_t which = input.byte();
        std::string key = keys[which % std::size(keys)];
        if (which >= 128) key += input.text();
        store.put(std::move(key), Bytes::copy_of(input.bytes(input.u16())), ignore);
    }
    (void)metadata.tenants();
    (void)metadata.namespaces("public");
    (void)metadata.retention("public/default");
    (void)metadata.topics("public/default");
    (void)metadata.partitions(*topic);
    if (const auto record = metadata.topic(*topic)) {
        metadata.put_topic(*topic, *record, ignore);
        must(metadata.topic(*topic) == record, "a topic's record that was read is written as it was");
    }
    for (const auto& [subscription, record] : metadata.cursors(*topic))
        metadata.put_cursor(*topic, subscription, record, ignore);
    broker::SchemaRegistry schemas(store);
    if (auto latest = schemas.latest(*topic)) {
        const auto version = schemas.get_or_create(*topic, latest->schema);
        must(version.has_value(), "a schema that is there is found");
    }
    metadata.erase_topic(*topic, ignore);
    must(metadata.cursors(*topic).empty(), "an erased topic leaves no cursor");
}

}  // namespace
}  // namespace weft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    weft::observe::set_level(weft::observe::Level::off);
    weft::fuzz::Input input(data, size);
    switch (input.byte() % 3) {
        case 0:
            weft::fuzz::replay(input);
            break;
        case 1:
            weft::fuzz::read_cursor(input);
            break;
        default:
            weft::fuzz::read_map(input);
    }
    return 0;
}
