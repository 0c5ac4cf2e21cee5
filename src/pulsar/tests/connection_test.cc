// Lookups, handshakes and ends of connections, against a scripted broker.
#include <fstream>

#include "base/testing/temporary_directory.h"
#include "http/server.h"
#include "pulsar/tests/protocol_fixture.h"

namespace weft::pulsar::testing {
namespace {

BaseCommand challenge() {
    BaseCommand command;
    command.set_type(BaseCommand::AUTH_CHALLENGE);
    command.mutable_authchallenge();
    return command;
}

TEST(Lookup, follows_redirects_and_says_authoritative) {
    ScriptedBroker owner;
    ScriptedBroker first([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::LOOKUP) return false;
        session.send(lookup_answer(command.lookuptopic().request_id(), owner.url(),
                                   proto::CommandLookupTopicResponse::Redirect));
        return true;
    });
    auto client = client_of(first.url());
    ASSERT_TRUE(produce(*client));
    EXPECT_FALSE(first.wait_for(BaseCommand::LOOKUP, 1).at(0).command.lookuptopic().authoritative());
    EXPECT_TRUE(owner.wait_for(BaseCommand::LOOKUP, 1).at(0).command.lookuptopic().authoritative());
    EXPECT_EQ(owner.wait_for(BaseCommand::PRODUCER, 1).size(), 1U);
    EXPECT_EQ(first.count(BaseCommand::PRODUCER), 0U);
}

TEST(Lookup, asks_the_proxy_for_the_broker_behind_it) {
    ScriptedBroker proxy([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::LOOKUP) return false;
        auto answer = lookup_answer(command.lookuptopic().request_id(), "pulsar://hidden:6650",
                                    proto::CommandLookupTopicResponse::Connect);
        answer.mutable_lookuptopicresponse()->set_proxy_through_service_url(true);
        session.send(answer);
        return true;
    });
    auto client = client_of(proxy.url());
    ASSERT_TRUE(produce(*client));
    const auto connects = proxy.wait_for(BaseCommand::CONNECT, 2);
    EXPECT_EQ(connects.at(0).command.connect().proxy_to_broker_url(), "");
    EXPECT_EQ(connects.at(1).command.connect().proxy_to_broker_url(), "hidden:6650");
}

TEST(Lookup, ends_a_circle_of_redirects) {
    ScriptedBroker* self = nullptr;
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::LOOKUP) return false;
        session.send(lookup_answer(command.lookuptopic().request_id(), self->url(),
                                   proto::CommandLookupTopicResponse::Redirect));
        return true;
    });
    self = &broker;
    auto client = client_of(broker.url());
    ProducerOptions options;
    options.topic = "t";
    // It tries again until its time is over. How much is enough for one whole circle is the machine's affair.
    for (Duration limit = 300ms;; limit *= 2) {
        const auto made = client->create_producer(options, Deadline::after(limit));
        ASSERT_FALSE(made);
        if (made.error().message.contains("redirects")) break;
        ASSERT_LT(limit, 1min) << made.error().message;
    }
}

TEST(Lookup, tries_the_next_host) {
    ScriptedBroker broker;
    auto client = client_of("pulsar://127.0.0.1:1,127.0.0.1:2," + broker.host_port());
    EXPECT_TRUE(produce(*client));
}

TEST(Open, tries_again_while_the_broker_is_not_ready) {
    std::atomic<int> asked = 0;
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::PRODUCER || ++asked > 2) return false;
        session.send(error_answer(command.producer().request_id(), proto::ServiceNotReady, "moving"));
        return true;
    });
    auto client = client_of(broker.url());
    EXPECT_TRUE(produce(*client));
    EXPECT_EQ(asked, 3);
}

TEST(Open, says_what_the_broker_refused) {
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() == BaseCommand::PRODUCER) {
            session.send(
                error_answer(command.producer().request_id(), proto::TopicNotFound, "no such topic"));
        } else if (command.type() == BaseCommand::SUBSCRIBE) {
            session.send(error_answer(command.subscribe().request_id(), proto::ConsumerBusy, "taken"));
        } else {
            return false;
        }
        return true;
    });
    auto client = client_of(broker.url());
    const auto producer = produce(*client);
    ASSERT_FALSE(producer);
    EXPECT_EQ(producer.error().code, ErrorCode::not_found);
    EXPECT_TRUE(producer.error().message.contains("persistent://public/default/t"))
        << producer.error().message;
    EXPECT_TRUE(producer.error().message.contains("no such topic"));
    const auto consumer = consume(*client);
    ASSERT_FALSE(consumer);
    EXPECT_EQ(consumer.error().code, ErrorCode::conflict);
}

TEST(Open, refuses_a_broker_that_wants_authentication) {
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::CONNECT) return false;
        EXPECT_FALSE(command.connect().has_auth_data());
        session.send(challenge());
        return true;
    });
    auto client = client_of(broker.url());
    const auto producer = produce(*client);
    ASSERT_FALSE(producer);
    EXPECT_EQ(producer.error().code, ErrorCode::unauthorized);
    EXPECT_TRUE(producer.error().message.contains("give an authentication plugin"));
}

TEST(Open, says_who_it_is_and_says_it_again_when_asked) {
    const TemporaryDirectory temporary;
    const std::string file = temporary.path() + "/a-token";
    std::ofstream(file) << "first";
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() == BaseCommand::PRODUCER) {
            std::ofstream(file) << "second";
            session.send(challenge());
        }
        return false;
    });
    ClientOptions options{.service_url = broker.url()};
    options.security = {.auth_plugin = "token", .auth_params = "file://" + file, .tls = {}};
    auto client = Client::create(std::move(options));
    ASSERT_TRUE(client);
    EXPECT_TRUE(produce(**client));
    const auto connect = broker.wait_for(BaseCommand::CONNECT, 1).at(0).command.connect();
    EXPECT_EQ(connect.auth_method_name(), "token");
    EXPECT_EQ(connect.auth_data(), "first");
    EXPECT_TRUE(connect.feature_flags().supports_auth_refresh());
    const auto said = broker.wait_for(BaseCommand::AUTH_RESPONSE, 1).at(0).command.authresponse().response();
    EXPECT_EQ(said.auth_method_name(), "token");
    EXPECT_EQ(said.auth_data(), "second");
}

TEST(Open, asks_its_issuer_for_a_token_and_for_another_when_asked_again) {
    std::atomic<int> given = 0;
    http::Router routes;
    std::string address;
    routes.add("GET", "/.well-known/openid-configuration", [&](const http::Request&) {
        return http::Response::text(R"({"token_endpoint": ")" + address + R"(/token"})");
    });
    routes.add("POST", "/token", [&](const http::Request&) {
        const int number = ++given;
        if (number == 1) return http::Response::error(503, "not yet");  // it is asked again
        return http::Response::text(R"({"access_token": "t)" + std::to_string(number) + R"("})");
    });
    const auto issuer = http::Server::start({}, routes);
    ASSERT_TRUE(issuer);
    address = "http://127.0.0.1:" + std::to_string((*issuer)->port());
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() == BaseCommand::PRODUCER) session.send(challenge());
        return false;
    });
    ClientOptions options{.service_url = broker.url()};
    options.security = {
        .auth_plugin = "oauth2",
        .auth_params = R"({"client_id": "me", "client_secret": "s", "issuerUrl": ")" + address + R"("})",
        .tls = {}};
    auto client = Client::create(std::move(options));
    ASSERT_TRUE(client) << client.error().message;
    EXPECT_TRUE(produce(**client));
    const auto connect = broker.wait_for(BaseCommand::CONNECT, 1).at(0).command.connect();
    EXPECT_EQ(connect.auth_method_name(), "token");
    EXPECT_EQ(connect.auth_data(), "t2");
    const auto said = broker.wait_for(BaseCommand::AUTH_RESPONSE, 1).at(0).command.authresponse().response();
    EXPECT_EQ(said.auth_method_name(), "token");
    EXPECT_EQ(said.auth_data(), "t3");
}

TEST(Connection, ends_one_that_does_not_answer_pings) {
    ScriptedBroker broker([&](Session&, const BaseCommand& command, const Bytes&) {
        return command.type() == BaseCommand::PING;
    });
    auto client = client_of(broker.url(), 20ms);
    auto producer = produce(*client);
    ASSERT_TRUE(producer);
    EXPECT_GE(broker.wait_for(BaseCommand::CONNECT, 2).size(), 2U);
    EXPECT_GE(broker.wait_for(BaseCommand::PRODUCER, 2).at(1).command.producer().epoch(), 1U);
}

TEST(Connection, survives_unreadable_frames) {
    std::atomic<int> sent = 0;
    ScriptedBroker broker([&](Session& session, const BaseCommand& command, const Bytes&) {
        if (command.type() != BaseCommand::PRODUCER || sent++ > 3) return false;
        const char* garbage[] = {"\0\0\0\6\0\0\0\2\xff\xff", "\0\0\0\2\0\0", "\0\0\0\7\xff\xff\xff\xff\1\2\3",
                                 "\x7f\xff\xff\xff"};
        const std::size_t sizes[] = {10, 6, 11, 4};
        const auto which = static_cast<std::size_t>(sent - 1);
        session.send_raw(std::string(garbage[which], sizes[which]));
        return true;
    });
    auto client = client_of(broker.url());
    EXPECT_TRUE(produce(*client));
    EXPECT_EQ(sent, 5);
}

}  // namespace
}  // namespace weft::pulsar::testing
