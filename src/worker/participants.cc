#include "worker/participants.h"

#include <algorithm>
#include <charconv>

#include "base/str_cat.h"

namespace weft::worker {

std::string Member::url() const {
    const bool is_ipv6 = host.find(':') != std::string::npos && !host.starts_with('[');
    const std::string_view scheme = tls ? "https://" : "http://";
    return is_ipv6 ? str_cat(scheme, '[', host, "]:", port) : str_cat(scheme, host, ':', port);
}

std::optional<Member> parse_participant(std::string_view text) {
    const auto before_host = text.find(':');
    const auto before_port = text.rfind(':');
    if (before_host == 0 || before_host == text.npos || before_port <= before_host + 1) return std::nullopt;
    Member member;
    member.worker_id = text.substr(0, before_host);
    member.host = text.substr(before_host + 1, before_port - before_host - 1);
    const std::string_view port = text.substr(before_port + 1);
    const char* const end = port.data() + port.size();
    if (std::from_chars(port.data(), end, member.port) != std::from_chars_result{end, std::errc{}})
        return std::nullopt;
    return member;
}

const Member* Participants::find(std::string_view worker_id) const {
    const auto found = std::ranges::find(members, worker_id, &Member::worker_id);
    return found == members.end() ? nullptr : &*found;
}

std::set<std::string> Absences::waited_for(const std::set<std::string>& holders,
                                           const std::set<std::string>& present, SteadyTime now,
                                           Duration grace) {
    std::set<std::string> waited;
    std::map<std::string, SteadyTime> since;
    for (const auto& holder : holders) {
        if (present.contains(holder)) continue;
        const auto known = since_.find(holder);
        const SteadyTime from = known == since_.end() ? now : known->second;
        since.emplace(holder, from);
        if (now - from < grace) waited.insert(holder);
    }
    since_ = std::move(since);
    return waited;
}

std::optional<SteadyTime> Absences::next_end(SteadyTime now, Duration grace) const {
    std::optional<SteadyTime> end;
    for (const auto& [holder, since] : since_) {
        if (now - since < grace) end = end ? std::min(*end, since + grace) : since + grace;
    }
    return end;
}

}  // namespace weft::worker
