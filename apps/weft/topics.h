#pragma once
// The commands of `weft topics` that are more than one call of the REST.

#include "command.h"

namespace weft::app {

int list_topics(const Call& call);
int look_up_partitions(const Call& call);
int delete_topic(const Call& call);
int reset_cursor(const Call& call);
int message_id_by_time(const Call& call);
int peek_messages(const Call& call);
int compact_topic(const Call& call);
int compaction_status(const Call& call);
int message_by_id(const Call& call);

}  // namespace weft::app
