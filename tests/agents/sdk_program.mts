// Programs of the Claude Agent SDK for TypeScript, as its users write them; the argument says which.
// Each prints a line of JSON for the end of each turn.

import {
  createSdkMcpServer,
  query,
  tool,
  type Options,
  type SDKMessage,
  type SDKUserMessage,
} from "@anthropic-ai/claude-agent-sdk";
import { z } from "zod";

function show(message: SDKMessage): void {
  if (message.type !== "result") return;
  const fields = {
    result: message.subtype === "success" ? message.result : null,
    is_error: message.is_error,
    structured_output: message.subtype === "success" ? message.structured_output : null,
  };
  console.log(JSON.stringify(fields));
}

function said(text: string): SDKUserMessage {
  return { type: "user", message: { role: "user", content: text }, parent_tool_use_id: null };
}

async function ask(prompt: string | AsyncIterable<SDKUserMessage>, options: Options) {
  for await (const message of query({ prompt, options })) show(message);
}

/** Turns of a conversation, one of them interrupted: each is said when the one before has ended. */
async function converse(): Promise<void> {
  let go: () => void = () => {};
  async function* prompts() {
    for (const text of ["Read it.", "Count.", "And now?"]) {
      const ended = new Promise<void>((resolve) => (go = resolve));
      yield said(text);
      await ended;
    }
  }
  const options = { allowedTools: ["Read"], includePartialMessages: true };
  const turns = query({ prompt: prompts(), options });
  let turn = 0;
  let interrupted = false;
  for await (const message of turns) {
    const isDelta =
      message.type === "stream_event" && message.event.type === "content_block_delta";
    if (isDelta && turn === 1 && !interrupted) {
      interrupted = true;
      await turns.interrupt();
    }
    if (message.type === "result") {
      if (turn !== 1) show(message);
      turn += 1;
      go();
    }
  }
}

async function* two(): AsyncGenerator<SDKUserMessage> {
  yield said("Read it.");
  yield said("And now?");
}

async function* one(text: string): AsyncGenerator<SDKUserMessage> {
  yield said(text);
}

const add = tool("add", "Adds two numbers", { a: z.number(), b: z.number() }, async ({ a, b }) => ({
  content: [{ type: "text", text: String(a + b) }],
}));

const schema = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
};

const tasks: Record<string, () => Promise<void>> = {
  plain: () => ask("Read it.", { allowedTools: ["Read"] }),
  with_a_system_prompt: () =>
    ask("Read it.", { allowedTools: ["Read"], systemPrompt: "You are a careful reader." }),
  with_claude_codes_prompt: () =>
    ask("Read it.", {
      allowedTools: ["Read"],
      systemPrompt: { type: "preset", preset: "claude_code", append: "Be brief." },
      settingSources: ["project"],
    }),
  with_streamed_input: () => ask(two(), { allowedTools: ["Read"] }),
  with_a_client: converse,
  with_tools_of_its_own: () =>
    ask(one("Add."), {
      mcpServers: { ours: createSdkMcpServer({ name: "ours", tools: [add] }) },
      allowedTools: ["mcp__ours__add"],
    }),
  with_structured_output: () => ask("Who?", { outputFormat: { type: "json_schema", schema } }),
};

await tasks[process.argv[2]!]!();
