#pragma once
// The program's commands and groups of commands, one function for each file that holds some. A new one is a
// row here, a row in registry.cc, and a file.

#include "command.h"

namespace weft::app {

Entry standalone_command();
Entry worker_command();
Entry produce_command();
Entry consume_command();
Entry read_command();
Entry backup_command();
Entry restore_command();
Entry verify_command();
Entry version_command();
Entry completion_command();
Entry manual_command();

const Group& functions_group();
const Group& function_credentials_group();
const Group& packages_group();
const Group& topics_group();
const Group& tenants_group();
const Group& namespaces_group();
const Group& clusters_group();
const Group& schemas_group();
const Group& tokens_group();

}  // namespace weft::app
