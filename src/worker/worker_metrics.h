#pragma once
// What the worker counts of itself, for /metrics. Names are Pulsar's: pulsar_function_worker_<member>.

#include "observe/timing.h"

namespace weft::worker {

/// Any thread; outlives all that counts in it.
struct WorkerMetrics {
    observe::Timing start_instance_process_time_ms;
    observe::Timing stop_instance_process_time_ms;
};

}  // namespace weft::worker
