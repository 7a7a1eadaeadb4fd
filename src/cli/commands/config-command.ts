// `kafka-backup config`: what the configuration amounts to, and its schema for editors.

import type { Command } from 'commander';
import { toJson } from '../../model/json-fields.ts';
import { type CommandContext, configSource, type GlobalFlags } from '../command-context.ts';
import { renderTable } from '../output/render-table.ts';
import { printable } from '../output/terminal.ts';

export function addConfigCommands(program: Command, { services, terminal }: CommandContext): void {
  const config = program.command('config').description('show the configuration in force, or its schema');
  config
    .command('print')
    .description('every key in force with its value and who said so; secrets are hidden')
    .requiredOption('-c, --config <file>', 'configuration (YAML)')
    .action((_options, command: Command) => {
      const flags = command.optsWithGlobals<GlobalFlags & { config: string }>();
      const { values, notices } = services.effectiveConfig(configSource(flags));
      if (flags.json) {
        terminal.result(toJson({ file: flags.config, config: values, notices }));
        return;
      }
      for (const { kind, key, message, origin } of notices) {
        terminal.say(`${kind}: ${printable(`${key} (${origin}): ${message}`)}`);
      }
      const rows = values.map(({ key, value, origin }) => [key, printable(value), printable(origin)]);
      terminal.result(renderTable(['KEY', 'VALUE', 'FROM'], rows));
    });
  config
    .command('schema')
    .description('the JSON Schema of the configuration file')
    .action(() => terminal.result(toJson(services.configSchema(), 2)));
}
