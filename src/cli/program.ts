// The command line: assembles the commands and turns every failure into a message, a hint and an exit code (DESIGN 7).

import { Command, CommanderError } from 'commander';
import { BackupError } from '../model/errors.ts';
import { toJson } from '../model/json-fields.ts';
import { addBackupCommand } from './commands/backup-command.ts';
import { addCatCommand } from './commands/backups/cat-command.ts';
import type { CommandContext } from './command-context.ts';
import { addConfigCommands } from './commands/config-command.ts';
import { addDescribeCommand } from './commands/backups/describe-command.ts';
import { addListCommand } from './commands/backups/list-command.ts';
import { addOffsetMapCommand } from './commands/restores/offset-map-command.ts';
import { addRestoreCommands } from './commands/restores/restore-command.ts';
import { addDoctorCommand } from './commands/doctor-command.ts';
import { addEstimateCommand } from './commands/estimate-command.ts';
import { addImportCommand } from './commands/backups/import-command.ts';
import { addPruneCommand } from './commands/backups/prune-command.ts';
import type { Services } from './services.ts';
import { addStatusCommand } from './commands/status-command.ts';
import { printable, type Terminal } from './output/terminal.ts';
import { addValidateCommand } from './commands/backups/validate-command.ts';
import { addVerifyRestoreCommand } from './commands/restores/verify-restore-command.ts';

const USAGE_EXIT_CODE = 2;
const DEFECT_EXIT_CODE = 1;

/** Runs one command line, without the name of the program; resolves with the exit code. Never throws. */
export async function runProgram(args: readonly string[], services: Services, terminal: Terminal): Promise<number> {
  let exitCode = 0;
  // Looked for by hand: an error in the command line may come before the parser has seen the flag.
  const isJson = (args.includes('--') ? args.slice(0, args.indexOf('--')) : args).includes('--json');
  const context: CommandContext = {
    services,
    terminal,
    exit: (code) => {
      exitCode = code;
    },
  };
  const program = new Command('kafka-backup')
    .description('Backs up Kafka topics into a store and puts them back as they were at a given millisecond.')
    .option('-v, --verbose', 'say more: log at the level debug', false)
    .option('--json', 'one JSON document as the result; progress as JSON lines on stderr', false)
    .version(
      `kafka-backup ${services.version} (node ${process.versions.node}, zstd by ${services.zstdImplementation})`,
      '-V, --version',
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.result(text.trimEnd()),
      writeErr: (text) => {
        if (!isJson) terminal.say(text.trimEnd());
      },
    });
  addBackupCommand(program, context);
  addRestoreCommands(program, context);
  addOffsetMapCommand(program, context);
  addListCommand(program, context);
  addDescribeCommand(program, context);
  addStatusCommand(program, context);
  addCatCommand(program, context);
  addValidateCommand(program, context);
  addVerifyRestoreCommand(program, context);
  addImportCommand(program, context);
  addDoctorCommand(program, context);
  addEstimateCommand(program, context);
  addPruneCommand(program, context);
  addConfigCommands(program, context);
  for (const command of program.commands) command.exitOverride().copyInheritedSettings(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    return reportFailure(error, isJson, terminal);
  }
}

function reportFailure(error: unknown, isJson: boolean, terminal: Terminal): number {
  if (error instanceof CommanderError) return reportUsage(error, isJson, terminal);
  if (!(error instanceof BackupError)) {
    terminal.say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    terminal.say('This is a defect; please report it.');
    return DEFECT_EXIT_CODE;
  }
  const { kind, message } = error;
  if (isJson) {
    terminal.say(exitError(error));
  } else {
    terminal.say(`error: ${message.split('\n').map(printable).join('\n')}`);
    terminal.say(`hint: ${kind.hint}`);
  }
  return kind.exitCode;
}

/** The parser of the command line has said what is wrong already, but as text only. */
function reportUsage({ exitCode, code, message }: CommanderError, isJson: boolean, terminal: Terminal): number {
  if (exitCode === 0) return 0;
  const said = code === 'commander.help' ? 'a command is missing' : message.replace(/^error: /, '');
  if (isJson) terminal.say(exitError(new BackupError('USAGE_INVALID', said)));
  return USAGE_EXIT_CODE;
}

function exitError({ code, kind, message }: BackupError): string {
  return toJson({ message_type: 'exit_error', code: kind.exitCode, error: code, message, hint: kind.hint });
}
