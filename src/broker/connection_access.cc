// Who is at the other end, and what he may do.

#include "broker/connection.h"
#include "broker/engine.h"
#include "observe/log.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker.access");
constexpr std::uint64_t kNoRequest = ~0ULL;
constexpr std::string_view kRefresh = "PulsarAuthRefresh";  // by which clients know what is asked for

std::int64_t now_seconds() { return static_cast<std::int64_t>(wall_clock_ms() / 1000); }

}  // namespace

void Connection::send_away(const Refusal& why) {
    fail_request(kNoRequest, why);
    close(why.message);
}

/// Sends the client away by itself if it is not who it says.
bool Connection::authenticate(const proto::CommandConnect& command) {
    const Access& access = engine_.access();
    auth_method_ = command.auth_method_name();
    auto caller = access.options().authenticator->authenticate(auth_method_, command.auth_data(),
                                                               channel_->certificate_name());
    if (!caller) {
        if (const auto unlogged = engine_.may_log_stranger(address()))
            kLog.warn("a client is sent away",
                      {{"peer", peer_}, {"reason", caller.error().message}, {"not_logged", *unlogged}});
        send_away({ServerError::authentication, "Failed to authenticate"});
        return false;
    }
    principal_ = {std::move(caller->role), command.original_principal()};
    valid_until_seconds_ = caller->valid_until_seconds;
    can_refresh_ = command.feature_flags().supports_auth_refresh();
    if (!access.options().authorization) return principal_.original.clear(), true;
    const auto wrong = access.wrong_original(principal_);
    if (wrong.empty()) return true;
    if (const auto unlogged = engine_.may_log_stranger(address()))
        kLog.warn("a client is sent away", {{"peer", peer_},
                                            {"role", principal_.role},
                                            {"original", principal_.original},
                                            {"reason", wrong},
                                            {"not_logged", *unlogged}});
    send_away({ServerError::authorization, "Invalid roles."});
    return false;
}

void Connection::check_credentials() {
    if (closed_ || !connected_ || valid_until_seconds_ == 0 || now_seconds() < valid_until_seconds_) return;
    if (challenged_ || !can_refresh_) {
        kLog.info("a client's credentials are over", {{"peer", peer_}, {"role", principal_.role}});
        return close("the credentials are over");
    }
    challenged_ = true;
    proto::BaseCommand command;
    command.set_type(proto::BaseCommand::AUTH_CHALLENGE);
    auto& challenge = *command.mutable_authchallenge();
    challenge.set_server_version("Weft");
    challenge.mutable_challenge()->set_auth_method_name(auth_method_);
    challenge.mutable_challenge()->set_auth_data(std::string(kRefresh));
    write(command);
}

void Connection::take_new_credentials(const proto::CommandAuthResponse& command) {
    const Access& access = engine_.access();
    if (!access.asks_who()) return;
    const auto caller = access.options().authenticator->authenticate(
        command.response().auth_method_name(), command.response().auth_data(), channel_->certificate_name());
    if (!caller) {
        kLog.warn("a client's new credentials are not taken",
                  {{"peer", peer_}, {"role", principal_.role}, {"reason", caller.error().message}});
        return send_away({ServerError::authentication, "Failed to authenticate"});
    }
    if (caller->role != principal_.role) {
        kLog.warn("a client's new credentials are of another role",
                  {{"peer", peer_}, {"role", principal_.role}, {"other", caller->role}});
        return close("the role of a connection can't change");
    }
    valid_until_seconds_ = caller->valid_until_seconds;
    challenged_ = false;
}

bool Connection::may(Rule rule, const wire::TopicName& topic, std::string subscription) const {
    const Access& access = engine_.access();
    return !access.asks_who() || access.allows(principal_, rule, Object::of(topic, std::move(subscription)));
}

void Connection::apply_rights() {
    if (closed_ || !connected_) return;
    std::vector<ProducerSet::Ptr> producers;
    for (const auto& [id, producer] : producers_) {
        if (producer->topic != nullptr && !may(Rule::produce, producer->topic->name()))
            producers.push_back(producer);
    }
    for (const auto& producer : producers) {
        producer->topic->remove_producer(*producer);
        close_producer(*producer);
    }
    std::vector<Consumer*> consumers;
    for (const auto& [id, consumer] : consumers_) {
        auto* const from = consumer->subscription;
        if (from != nullptr && !may(Rule::consume, from->topic().name(), from->name()))
            consumers.push_back(consumer.get());
    }
    for (auto* consumer : consumers) {
        consumer->subscription->remove(*consumer);
        close_consumer(*consumer);
    }
}

}  // namespace weft::broker
