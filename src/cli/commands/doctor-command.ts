// `kafka-backup doctor`: would a configuration work? Numbered checks, each with a remedy where something is wrong.

import type { Command } from 'commander';
import { exitCodeOf } from '../../doctor/check-list.ts';
import { toJson } from '../../model/json-fields.ts';
import { type CommandContext, configSource, type GlobalFlags } from '../command-context.ts';
import { doctorJson, renderChecks } from '../output/reports/render-doctor.ts';

export function addDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('check that a configuration would work, step by step, and say what to do where it would not')
    .requiredOption('-c, --config <file>', 'configuration (YAML)')
    .addHelpText(
      'after',
      '\nTries every operation on the store with small objects of its own, which it removes again, and looks at the source and at\n' +
        'every target without changing anything. Exits with 0, with 1 when a check failed, with 12 when credentials were refused\n' +
        'or lack a permission in the store.',
    )
    .action(async (_options, command: Command) => {
      context.exit(await doctor(context, command.optsWithGlobals<GlobalFlags & { readonly config: string }>()));
    });
}

async function doctor(
  { services, terminal }: CommandContext,
  flags: GlobalFlags & { readonly config: string },
): Promise<number> {
  const opened = await services.openDoctor(configSource(flags));
  try {
    const checks = await opened.run();
    terminal.result(flags.json ? toJson(doctorJson(checks)) : renderChecks(checks));
    return exitCodeOf(checks);
  } finally {
    await opened.close();
  }
}
